"""YAML configuration files, shipped beside the code."""
