using Mesh.Streams;

#pragma warning disable RS0030 // the one place where the process meets real chance
Random chance = Random.Shared;
#pragma warning restore RS0030
return await StreamsProgram.RunAsync(args, TimeProvider.System, chance);
