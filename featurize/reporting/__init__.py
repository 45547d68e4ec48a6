"""What people look at: the report of a store and the search for artworks, as pages that need nothing but a browser."""
