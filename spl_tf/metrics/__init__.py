"""What an evaluation reports, in numpy: averaging over views and clips of a video, top-k, per class."""
