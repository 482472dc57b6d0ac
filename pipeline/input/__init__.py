"""What a run starts from: videos, detection files, their global order, and what is seen in each frame."""
