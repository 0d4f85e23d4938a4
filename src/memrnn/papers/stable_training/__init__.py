"""An experiment of memrnn itself: which half of discrete training makes stack networks hold."""
