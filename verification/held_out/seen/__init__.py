"""Wrong parts after which laws were mended: those that were missed at first are found since."""
