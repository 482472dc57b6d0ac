"""Weight files: ours and the published ones, read without running anything of theirs."""
