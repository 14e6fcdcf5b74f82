"""Results for readers: tables, pages, figures, files."""
