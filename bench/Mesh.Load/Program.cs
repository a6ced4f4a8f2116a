Console.Error.WriteLine("Mesh.Load: not built yet");
return 1;
