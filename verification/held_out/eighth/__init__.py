"""An eighth stranger's parts: extensions of the known ones, some with a slip in them."""
