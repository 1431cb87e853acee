"""The search around `model.fit`: what Keras users call, and all that is checked for them."""
