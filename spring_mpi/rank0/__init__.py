"""The hypervisor on rank 0: it gives out jobs, hears workers and people, and tells how it goes."""
