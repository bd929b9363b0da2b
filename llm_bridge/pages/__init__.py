"""What is shown: tables, pictures, reports, trackers, and the sections of the demo."""
