"""One tracker for all cameras of a calibrated group: people on the ground, in metres."""
