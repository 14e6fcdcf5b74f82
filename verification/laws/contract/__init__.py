"""What the optimizer relies on: shapes, masks, purity, schedule, saving."""
