"""One video or image file read: frames, times, seeking, damage."""
