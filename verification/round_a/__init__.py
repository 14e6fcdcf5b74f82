"""A round of wrong parts, and of unusual right ones, by somebody who did not see the laws."""
