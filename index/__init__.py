"""Libraries of photographs, and the photograph that shows a pose best."""
