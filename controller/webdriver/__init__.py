"""WebDriver for Selenium: a chromedriver beside the session's Chrome, and what of its wire has to be said otherwise."""
