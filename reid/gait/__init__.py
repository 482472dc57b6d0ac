"""Gait: people by how their skeletons move."""
