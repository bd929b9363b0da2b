"""What `llm_bridge.train` and `llm_bridge.pretrain` are made of."""
