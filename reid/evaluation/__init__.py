"""How well an appearance model finds people: extraction, retrieval, and what the figures are made of."""
