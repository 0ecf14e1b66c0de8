"""The mixer in the browser: a remote control in a process of its own, which never carries sound."""
