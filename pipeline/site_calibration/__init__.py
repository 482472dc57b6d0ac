"""Calibration of overlapping cameras from the people they see, for those who have none.

sightings     whole, upright people: feet, heads and instants of each camera
pinhole       a camera as seven numbers, and their ``CameraModel``
single_view   tilt, roll and height of one camera from the sizes of people in it
alignment     where one camera stands in another's ground plane: a vote over all pairs of people seen at one instant
matching      who is who, given calibrations: people that several cameras see at one place
refinement    all cameras at once, by robust least squares over matched feet and heads
estimate      puts them together, checks on people held out, refuses thin evidence
agreement     how far calibrated cameras disagree on where people are
picture       what was found, to look at
"""
