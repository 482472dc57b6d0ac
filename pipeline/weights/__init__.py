"""Where weights come from: cache, manifest, downloads."""
