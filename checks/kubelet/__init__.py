"""The kubelet: does it run, as whom, and with what settings?"""
