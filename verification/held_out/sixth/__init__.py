"""Wrong and right parts by someone who ports optimizers into large code bases."""
