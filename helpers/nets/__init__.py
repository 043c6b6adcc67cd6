"""Networks, one a file, each with its loss: notebooks 03 and 04 build the two Mask R-CNNs."""
