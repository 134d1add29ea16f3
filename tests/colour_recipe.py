"""What a recipe over the coloured videos is given, beside their folder and the length of its stages."""

COLOUR_RECIPE = (
    "recipe.videos = @video_folder",
    "recipe.fps = 10",
    "recipe.short_side = 32",
    "recipe.web_clip_seconds = 0.8",
    "train_stage.precision = 'float32'",
    "predict_clips.precision = 'float32'",
)
