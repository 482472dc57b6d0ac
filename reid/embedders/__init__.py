"""From pictures and boxes to part embeddings."""
