"""A run as one HTML file, for people: `page.page` makes the text of a run record, of what its texts are, and of its history.

Nothing of it is loaded from elsewhere, and nothing that a test, a model or a data set wrote is read as HTML.
"""
