"""The ear behind the aid: vent, hearing loss, auditory scale."""
