"""What the records are, and how they get in and out: sources, formats, geometry, data sets."""

import os

# A picture announces its size, and OpenCV believes it up to a billion pixels. It reads this when it is first imported.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 28))
