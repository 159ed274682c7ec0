"""The critic's ground floor: states, labels, features, and the model that is made of them."""
