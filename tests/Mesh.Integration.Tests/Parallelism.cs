using Xunit;

// Each test starts several processes: side by side they would share two cores, and one could be given a port that another has just let go.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
