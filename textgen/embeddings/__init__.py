"""What a network knows of its tokens before it is trained."""
