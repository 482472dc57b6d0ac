"""The generated site: people, cameras, truth."""
