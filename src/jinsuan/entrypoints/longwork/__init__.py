"""长任务: work that outlasts a request, shows how far it is, and is resumed after a kill."""
