"""Whether somebody wants the process to end: set by its signal handlers, asked where an error may be a consequence."""

import threading

asked = threading.Event()
