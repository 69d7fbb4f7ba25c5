"""What the speed and safety claims of the project are measured with; not part of the package."""
