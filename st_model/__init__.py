"""When and where: transition distributions between cameras and their scores."""
