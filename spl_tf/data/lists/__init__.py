"""Lists of videos as people have them, read into rows: tables, lists without a header, folders named by class."""
