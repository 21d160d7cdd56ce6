"""Training of the budget policy: an environment, a network, rewards, and PPO over them."""
