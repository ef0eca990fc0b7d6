"""What buyers read: the offer's message and its page, in Chinese and in English."""
