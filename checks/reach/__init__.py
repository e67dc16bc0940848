"""Can the console reach the node and the API, and can the node reach the API?"""
