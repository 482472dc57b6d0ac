"""Where frames come from: files, folders, streams."""
