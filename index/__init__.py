"""Photo libraries: reading them, and finding the photo that matches a pose best. `index.build` makes them."""
