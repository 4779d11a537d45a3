"""The live view: a person sees a tab of the session, and takes mouse and keyboard in hand.

`messages` says what a viewer may say, `address` where one may go, `websocket` speaks to one of them, `screen` films a
tab, `viewer` is one who looks, and `broadcast` is all of them together. Nothing here runs, and most of it is not even
imported, while nobody watches. The page that people open is in `page/`.
"""
