import Commands

await CloudJobs.start()
