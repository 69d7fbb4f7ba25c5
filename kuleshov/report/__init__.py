"""The pages people look at: a page is a list of sections, one file each.

A page is one HTML file that needs nothing else: no server, no scripts from elsewhere. Whatever a
model or a file name says is escaped.
"""
