"""Videos rendered for a first try: actions told apart by their motion."""
