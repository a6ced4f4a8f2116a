using Mesh.Peers.CommandLine;

#pragma warning disable RS0030 // the one place where real chance enters
return await PeersProgram.RunAsync(args, Console.Out, Console.Error, TimeProvider.System, Random.Shared);
#pragma warning restore RS0030
