"""Values that travel through the detector, and functions on boxes and masks."""
