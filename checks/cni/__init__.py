"""CNI: the generic layer, and flannel."""
