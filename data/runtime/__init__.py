"""What the machine offers: inference sessions, devices, clocks of stages, progress."""
