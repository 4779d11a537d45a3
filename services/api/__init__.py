"""The API: Browserbase's spelling lives here and nowhere else."""
