"""Array kernels that several packages share."""
